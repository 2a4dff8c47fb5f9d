-- KEYS: the message. ARGV: the owner, the lease in milliseconds. Returns 0 claimed, 1 handled, 2 claimed by another.
local value = redis.call('GET', KEYS[1])
local claimed = 'claimed:' .. ARGV[1]
if not value or value == claimed then
  redis.call('SET', KEYS[1], claimed, 'PX', ARGV[2])
  return 0
end
return string.sub(value, 1, 8) == 'handled:' and 1 or 2
