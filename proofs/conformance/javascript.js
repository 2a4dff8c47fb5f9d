// Writes javascript.json: what JavaScript makes of some JSON texts.
//
// Usage: node proofs/conformance/javascript.js > proofs/conformance/javascript.json
const sample = '{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1","subject":"Größe < 5 / 😀"}';
const texts = {
  compact: sample,
  spaced: sample.replaceAll('":', '": ').replaceAll(',"', ', "'),
  escaped: sample.replace(/[^\x00-\x7f]/g, (unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0')),
  number: '{"type":"other","agent_id":"my-agent","score":1.0}',
  large: '{"type":"other","agent_id":"my-agent","id":9007199254740993}',
  surrogate: '{"type":"other","agent_id":"my-agent","subject":"\\ud83d"}',
};
const sorted = (value) => Object.fromEntries(Object.entries(value).sort());
const written = {};
for (const [name, text] of Object.entries(texts)) {
  const value = JSON.parse(text);
  written[name] = {
    text,
    stringify: JSON.stringify(value),
    indented: JSON.stringify(value, null, 2),
    sorted: JSON.stringify(sorted(value)),
  };
}
console.log(JSON.stringify(written, null, 1));
