# Lines by hand: what people do first.
set -eu
lines() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do echo 'matrix.count:3|c'; done
    echo 'matrix.gauge:42.5|g'
    for _ in 1 2 3 4 5; do echo 'matrix.time:12|ms'; done
    for member in x y x; do echo "matrix.set:$member|s"; done
}
where="${1#*://}"
case "$1" in
    udp://*) lines | nc -u -q 0 "${where%:*}" "${where##*:}" ;;
    tcp://*) lines | nc -N "${where%:*}" "${where##*:}" ;;
    unix://*) lines | nc -N -U "$where" ;;
    stdin:*) lines ;;
esac
