-- KEYS: the key. ARGV: the owner, the retention in milliseconds.
-- Returns 1 if the key is handled by this owner, otherwise 0.
local value = redis.call('GET', KEYS[1])
local handled = 'handled:' .. ARGV[1]
if not value or value == 'claimed:' .. ARGV[1] or value == handled then
  redis.call('SET', KEYS[1], handled, 'PX', ARGV[2])
  return 1
end
return 0
