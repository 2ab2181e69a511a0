-- The tutorial's request, with another id each time, and the figures as JSON at the end.
local number, prefix = 0, os.getenv("BENCH_PREFIX")
local path = "/invoices/?callback_url=http%3A%2F%2F127.0.0.1%3A9%2Fevents"
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"

request = function()
  number = number + 1
  local body = '{"id":"' .. prefix .. number .. '","customer":"Mr. Richie Rich","total":"9999"}'
  return wrk.format(nil, path, nil, body)
end

done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('\n{"requests":%d,"seconds":%.6f,"failed":%d,"p50":%.3f,"p99":%.3f}\n',
    summary.requests, summary.duration / 1e6, failed,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
