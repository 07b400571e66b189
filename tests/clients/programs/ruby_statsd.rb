# The statsd-ruby client.
require "statsd"

host, port = ARGV[0].match(%r{^udp://(.*):(\d+)$}).captures
client = Statsd.new(host, port.to_i)
10.times { client.count("matrix.count", 3) }
client.gauge("matrix.gauge", 42.5)
5.times { client.timing("matrix.time", 12) }
%w[x y x].each { |member| client.set("matrix.set", member) }
