-- wrk: before each request a connection waits, on average for the argument's milliseconds. The
-- waits differ, so that requests do not come in bursts, and are the same in every run. wrk's clock
-- ticks in milliseconds, which makes a wait longer by a half of one.
local longest

function init(arguments)
  longest = math.max(1, math.floor(2 * tonumber(arguments[1]) - 0.5))
end

function delay()
  return math.random(0, longest)
end
