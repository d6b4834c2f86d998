-- Sends the requests of a file in turn, over and over, and prints one line of JSON at the end.
-- Requests are separated by a zero byte; ten @ in one become a number that is used only once.

local requests, turn, number = {}, 0, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for text in (file:read("*a") .. "\0"):gmatch("(%Z+)%z") do
    local first, last = text:find("@@@@@@@@@@", 1, true)
    if first then
      requests[#requests + 1] = {text:sub(1, first - 1), text:sub(last + 1)}
    else
      requests[#requests + 1] = {text}
    end
  end
  file:close()
end

function request()
  turn = turn % #requests + 1
  local parts = requests[turn]
  if not parts[2] then return parts[1] end
  number = number + 1
  return parts[1] .. string.format("%010d", number) .. parts[2]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%d,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
