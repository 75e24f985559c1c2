-- What `bench` asks of wrk: each request with a credential chosen at random from a file of records of one width, and the
-- result as JSON in the last line.
--
-- Arguments: path of the request, file of credentials, width of a record in bytes (0: no credential), "uniform" or
-- "skewed", seed, pause before each request in milliseconds.

local ffi = require "ffi"
ffi.cdef [[
  int open(const char *path, int flags);
  long lseek(int file, long offset, int whence);
  void *mmap(void *address, size_t length, int protection, int flags, int file, long offset);
]]
local READ_ONLY, TO_END, READ, SHARED = 0, 2, 1, 1

local before, after, records, width, count, choose

function init(arguments)
  local path, file, choice = arguments[1], arguments[2], arguments[4]
  width = tonumber(arguments[3])
  math.randomseed(tonumber(arguments[5]))
  local pause = tonumber(arguments[6])
  -- wrk lets every request wait when there is this function.
  if pause > 0 then function delay() return pause end end
  before = "GET " .. path .. " HTTP/1.1\r\nhost: edge.test\r\nuser-agent: bench\r\naccept: */*\r\n"
  after = "\r\n"
  if width == 0 then return end

  -- A million credentials are mapped, not read: only what is sent is copied.
  local descriptor = ffi.C.open(file, READ_ONLY)
  assert(descriptor >= 0, "no file of credentials")
  local size = tonumber(ffi.C.lseek(descriptor, 0, TO_END))
  count = math.floor(size / width)
  assert(count > 0 and count * width == size, "credentials are not all of one width")
  records = ffi.cast("const char *", ffi.C.mmap(nil, size, READ, SHARED, descriptor, 0))
  before = before .. "authorization: "
  after = "\r\n\r\n"
  local random, exp, log_count = math.random, math.exp, math.log(count + 1)
  if choice == "skewed" then
    -- Zipf's law with exponent 1: the first ten of a million get a sixth of the requests, the first thousand half.
    choose = function() return math.floor(exp(random() * log_count)) - 1 end
  else
    choose = function() return random(0, count - 1) end
  end
end

function request()
  if width == 0 then return before .. after end
  return before .. ffi.string(records + choose() * width, width) .. after
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"duration_us":%d,"connect_errors":%d,"read_errors":%d,"write_errors":%d,"timeouts":%d,' ..
      '"error_statuses":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d}\n',
    summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9), latency.max))
end
