-- KEYS: the key. ARGV: the owner, the lease in milliseconds.
-- Called for a key that exists. It may be absent again, or that of this owner.
-- Returns 0 if the claim is granted, 1 if the key is handled, 2 if another owner has claimed it.
local value = redis.call('GET', KEYS[1])
local claimed = 'claimed:' .. ARGV[1]
if not value or value == claimed then
  redis.call('SET', KEYS[1], claimed, 'PX', ARGV[2])
  return 0
end
return string.sub(value, 1, 8) == 'handled:' and 1 or 2
