"""The limit of a project as its processes share it: the two scripts that keep it in the server.

The rule is the generic cell rate algorithm (ITU-T I.371, annex A): each request has its moment, one interval behind
the one before it, and a few may go sooner after a rest. It is set so that a window of the period's length never
holds more requests than the limit, wherever it begins: whether the service's windows are fixed or roll on, and when
they start, does not matter. Of the limit, one hundredth is for those few (`burst`) and half of one for ways to the
service that take unequally long, so that 98.5 % of it can be used.

The server's clock is the only one. The hash of a project has the fields

- `next`: the moment of the request that is next in line, microseconds;
- `limit`, `period`: as the headers taught; a limit of 0 is none, and without the field nothing is known yet;
- `paused`: nobody goes before; `scout`: while nothing is known, one goes ahead, and the next not before.
"""

from typing import Final

from voucherify_async.integrations.redis.scripts import Script
from voucherify_async.window import LONGEST

# Seconds; moments are given away for so long ahead. A process that dies takes those with it which it had.
FAR_AHEAD: Final = 5.0
# Microseconds. Several at once, for all who wait in a process; more would be unfair to the other processes.
_TOGETHER: Final = 20_000
# Microseconds, while nothing is known: until the next scout, and until the others ask again.
_SCOUT: Final = 1_000_000
_LOOK_AGAIN: Final = 50_000
# Seconds; longer than the longest period, so that what is known of it outlives it.
_KEPT: Final = 7_200

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local key = KEYS[1]
"""

# ARGV: how many are wanted (0 only looks), the longest wait, the user's own limit, period and burst or 0 for none.
# Gives: how many go, when the first one goes, the time between two of them, how long all pause, the limit (-1 if it
# is not known) and the burst. When nobody goes, the second one says when the next could.
RESERVE: Final = Script(
    _NOW
    + f"""
local wanted, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
local own_limit, own_period, own_burst = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local kept = redis.call('HMGET', key, 'next', 'limit', 'period', 'paused', 'scout')
local next_at, paused, scout = tonumber(kept[1]) or 0, tonumber(kept[4]) or 0, tonumber(kept[5]) or 0
local known = tonumber(kept[2])
local limit = known or -1
if own_limit > 0 and (limit < 1 or own_limit < limit) then limit = own_limit end
local period = own_period
if period == 0 then period = tonumber(kept[3]) or 60000000 end
-- Later ones than can have been written are of a clock that was ahead of this one, as after a failover.
if next_at > now + {round(FAR_AHEAD * 1_000_000)} + 3 * period then next_at = 0 end
if paused > now + {round(LONGEST * 1_000_000)} then paused = 0 end
local pause = math.max(0, paused - now)
local told = known or -1

if limit < 1 then
    local first = pause
    if limit < 0 then first = math.max(first, scout - now) end
    if wanted == 0 or first > 0 then
        if pause == 0 then first = math.min(first, {_LOOK_AGAIN}) end
        return {{0, first, 0, pause, told, 1}}
    end
    if limit < 0 then
        redis.call('HSET', key, 'scout', string.format('%.0f', now + {_SCOUT}))
        redis.call('EXPIRE', key, {_KEPT})
        wanted = 1
    end
    return {{wanted, 0, 0, 0, told, 1}}
end

local burst = own_burst
if burst == 0 then burst = math.floor(limit / 100) end
burst = math.max(1, math.min(burst, math.floor(limit / 2)))
local interval = period / math.max(limit / 2, limit * 0.995 - burst)
local sooner = (burst - 1) * interval
next_at = math.max(next_at, now, paused + sooner)
local first = next_at - sooner - now
local at = math.max(0, math.ceil(first))
if wanted == 0 or at > patience or at > {round(FAR_AHEAD * 1_000_000)} then
    return {{0, at, math.ceil(interval), pause, told, burst}}
end
local going = 1
next_at = next_at + interval
while going < wanted and next_at - sooner <= now + {_TOGETHER} do
    going = going + 1
    next_at = next_at + interval
end
redis.call('HSET', key, 'next', string.format('%.2f', next_at))
redis.call('EXPIRE', key, math.max({_KEPT}, math.ceil(2 * period / 1000000)))
return {{going, math.ceil(first), math.ceil(interval), pause, told, burst}}
"""
)

# ARGV: the limit that was told of, 0 for none, -1 for no news; the period; how long to pause.
TEACH: Final = Script(
    _NOW
    + f"""
local limit, period, pause = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', key, 'limit', 'period', 'paused')
if limit >= 0 then
    if tonumber(kept[1]) ~= limit or period > (tonumber(kept[2]) or 0) then
        redis.call('HSET', key, 'limit', limit, 'period', period)
    end
end
if now + pause > (tonumber(kept[3]) or 0) then
    redis.call('HSET', key, 'paused', string.format('%.0f', now + pause))
end
redis.call('EXPIRE', key, math.max({_KEPT}, math.ceil(2 * period / 1000000)))
return {{}}
"""
)
