# Lines by HTTP.
set -eu
sh "$(dirname "$0")/netcat.sh" stdin: | curl --silent --show-error --fail --data-binary @- "$1" >/dev/null
