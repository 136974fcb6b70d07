-- wrk: the request has a body of as many bytes as the argument says.
function init(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/octet-stream"
  wrk.body = string.rep("x", tonumber(arguments[1]))
end
