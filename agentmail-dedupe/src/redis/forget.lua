-- KEYS: the key. Returns 1 if the key was handled and is now absent, otherwise 0.
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, 8) == 'handled:' then
  return redis.call('DEL', KEYS[1])
end
return 0
