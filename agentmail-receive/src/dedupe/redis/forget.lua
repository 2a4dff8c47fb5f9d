-- KEYS: the message. Returns 1 if it was handled, and is free now, else 0.
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, 8) == 'handled:' then
  return redis.call('DEL', KEYS[1])
end
return 0
