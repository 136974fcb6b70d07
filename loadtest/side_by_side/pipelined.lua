-- wrk: sixteen requests at a time on every connection.
local depth = 16
local text

function init()
  local requests = {}
  for i = 1, depth do
    requests[i] = wrk.format()
  end
  text = table.concat(requests)
end

function request()
  return text
end
