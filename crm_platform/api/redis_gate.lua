-- The request ledger of several hosts: one script, so that every question and its answer are one step.
--
-- KEYS: 1 what is known besides (hash), 2 slot -> the latest moment it can be counted at (sorted set), 3 slot -> the
-- newest slot when its answer came (sorted set). ARGV: 1 what is asked, as JSON. Instants and spans are whole
-- microseconds. The words of api/ledger.py mean the same here. -1 stands for "none is known".

local hash, slots, lasts = KEYS[1], KEYS[2], KEYS[3]
local given = cjson.decode(ARGV[1])
local OPEN = 9007199254740991  -- `last` of a slot without an answer
local LOST = OPEN - 1          -- the same where none will come, and the server may still see the request

local function text(number) return string.format('%.0f', number) end
local function get(name) return tonumber(redis.call('HGET', hash, name) or 0) end
local function known(name) return tonumber(redis.call('HGET', hash, name) or -1) end
local function put(name, value)
  redis.call('HSET', hash, name, type(value) == 'number' and text(value) or value)
end
local function score(set, member) return tonumber(redis.call('ZSCORE', set, member) or -1) end

-- The clock is the server's own. It never goes back by little; one that was set back reads as a loss.
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local at = math.max(clock, get('at'))

-- A server that was started again, emptied, or given an older state does not know what was sent meanwhile. Its run is
-- noted with the state: whoever asks first begins anew, and closed, for as long as requests may be under way and then
-- for a window. The same where a holder found that the clock stepped forward, and where days that a limit needs were
-- not kept.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local forgot = given.per_day and get('forgot_at') > 0 and get('forgot_at') + given.day > at
local is_void = given.ask == 'lose' and redis.call('HGET', hash, 'epoch') == given.epoch
if redis.call('HGET', hash, 'run') ~= run or at - clock > given.slack or forgot or is_void then
  redis.call('DEL', hash, slots, lasts)
  at = clock
  put('run', run)
  put('epoch', run .. ':' .. text(at))
  put('since', at)
  if given.is_limited then
    put('closed_at', at)
    put('closed_until', at + given.timeout + given.minute)
    put('closed_why', given.lost_why)
  end
end
put('at', at)
if given.per_day then put('day_asked', at) end
local epoch = redis.call('HGET', hash, 'epoch')

-- What the CRM says binds everybody, for as long as it is believed.
local function believed(name, until_name) return get(until_name) > at and known(name) or -1 end
local function stricter(ours, theirs)
  if not ours then return theirs end
  return theirs >= 0 and math.min(ours, theirs) or ours
end

local function shut(span, why)
  local closes = at + math.min(span, given.day)
  if get('closed_until') < closes then
    put('closed_until', closes)
    put('closed_at', at)
    put('closed_why', why)
  end
end

local function release()
  local is_known = given.epoch == epoch and score(lasts, given.slot) >= 0
  if is_known and given.is_given_up then
    redis.call('ZADD', lasts, text(LOST), given.slot)
  elseif is_known then
    redis.call('ZADD', slots, text(at), given.slot)
    redis.call('ZADD', lasts, text(get('slot')), given.slot)
  end
  if given.pause then shut(given.pause, given.pause_why) end
  -- Answers may overtake each other; that of the youngest request counts.
  if not (given.limit or given.remaining) or (is_known and given.slot < get('said_for')) then return end
  if is_known then
    put('said_for', given.slot)
    put('said_began', given.acquired)
    put('remaining', given.remaining or -1)
    put('counts_days', given.counts_days and 1 or 0)
    put('remaining_until', at + given.reset_after)
  end
  if given.limit then
    put(given.counts_days and 'day_limit' or 'minute_limit', given.limit)
    put('limits_until', at + given.day)
  end
end

-- A host's own record of what it sent before the loss. The same request told twice is one.
local function refill()
  if given.epoch ~= epoch then return end
  for _, told in ipairs(given.requests) do
    redis.call('ZADD', slots, text(math.min(told[2], at) + given.timeout), told[1])
    redis.call('ZADD', lasts, 0, told[1])
  end
  if given.is_all then put('told:' .. given.host, 1) end
end

-- How many of slot `said_for`'s rest are used up by requests that its answer may not have counted.
local function uncounted()
  local mine, began = get('said_for'), get('said_began')
  local number = redis.call('ZCOUNT', lasts, text(mine), '(' .. text(LOST))
  local own = score(lasts, mine)
  if own >= mine and own < LOST then number = number - 1 end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', lasts, text(LOST), '+inf')) do
    if tonumber(id) ~= mine and score(slots, id) >= began then number = number + 1 end
  end
  return number
end

-- When the nth (from 0) of the slots that a window holds has left it, if those under way are answered now.
local function leaves(window, nth)
  local from = text(at - window)
  local over = redis.call('ZCOUNT', slots, from, text(at))
  if nth < over then
    return tonumber(redis.call('ZRANGEBYSCORE', slots, from, text(at), 'WITHSCORES', 'LIMIT', nth, 1)[2]) + window + 1
  end
  local ends = {}
  local ahead = redis.call('ZRANGEBYSCORE', slots, '(' .. text(at), '+inf', 'WITHSCORES')
  for place = 1, #ahead, 2 do
    ends[#ends + 1] = score(lasts, ahead[place]) == OPEN and at or tonumber(ahead[place + 1])
  end
  table.sort(ends)
  return ends[nth - over + 1] + window + 1
end

-- How many may start, a minute and a day; and when the next one can, by the bound that holds longest.
local free = {minute = -1, day = -1}
local next_at, next_is_day, next_is_pause = 0, 0, 0
local function bound(name, number, opens_at, is_pause)
  free[name] = free[name] < 0 and number or math.min(free[name], number)
  if number <= 0 and opens_at > next_at then
    next_at, next_is_day, next_is_pause = opens_at, name == 'day' and 1 or 0, is_pause and 1 or 0
  end
end
local function look()
  if get('closed_until') > at then bound('minute', 0, get('closed_until'), true) end
  local limits = {
    {'minute', given.minute, stricter(given.per_minute, believed('minute_limit', 'limits_until'))},
    {'day', given.day, stricter(given.per_day, believed('day_limit', 'limits_until'))},
  }
  for _, one in ipairs(limits) do
    local name, window, most = unpack(one)
    if most >= 0 then
      local limit = math.max(1, most - given.reserve)
      local taken = redis.call('ZCOUNT', slots, text(at - window), '+inf')
      bound(name, math.max(0, limit - taken), taken >= limit and leaves(window, taken - limit) or at)
    end
  end
  local left = believed('remaining', 'remaining_until')
  if left >= 0 then
    local name = get('counts_days') == 1 and 'day' or 'minute'
    bound(name, math.max(0, left - given.reserve - uncounted()), get('remaining_until'), left == 0)
  end
end

-- Forget what no window can see any more, some at a time.
local function purge()
  local keeps_day = get('day_asked') + given.day > at and get('day_asked') > 0
  keeps_day = keeps_day or believed('day_limit', 'limits_until') >= 0
  local before = at - (keeps_day and given.day or 2 * given.minute) - given.minute
  local gone = redis.call('ZRANGEBYSCORE', slots, '-inf', '(' .. text(before), 'LIMIT', 0, 1000)
  if #gone > 0 then
    redis.call('ZREM', slots, unpack(gone))
    redis.call('ZREM', lasts, unpack(gone))
    if not keeps_day then put('forgot_at', at) end
  end
end

if given.ask == 'release' then release() end
if given.ask == 'refill' then refill() end
local wants_history = given.is_limited and given.host and redis.call('HEXISTS', hash, 'told:' .. given.host) == 0
local slot = 0
look()
if given.ask == 'acquire' and not wants_history and next_at == 0 then
  slot = redis.call('HINCRBY', hash, 'slot', 1)
  redis.call('ZADD', slots, text(at + given.timeout), slot)
  redis.call('ZADD', lasts, text(OPEN), slot)
  purge()
end

return {
  at, epoch, get('since'), wants_history and 1 or 0, slot,
  free.minute, free.day, next_at, next_is_day, next_is_pause,
  get('closed_until'), get('said_for'), known('minute_limit'), known('day_limit'), get('limits_until'),
  known('remaining'), get('counts_days'), get('remaining_until'), get('closed_at'),
  redis.call('HGET', hash, 'closed_why') or '',
}
