-- KEYS: the key. ARGV: the owner, the lease in milliseconds.
-- Returns 1 if the owner still has the key, otherwise 0.
local value = redis.call('GET', KEYS[1])
if value == 'claimed:' .. ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
return value == 'handled:' .. ARGV[1] and 1 or 0
