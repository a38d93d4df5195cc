# What the scripts of this directory begin with: how they check. Each line that begins with "NOT OK" is a failure, and a script
# ends with `exit $failed`.

export PATH=/payload:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
said=/tmp/said.$(id -u)
failed=0

# is NAME EXPECTED GOT
is() {
    if [ "$2" = "$3" ]; then
        echo "ok - $1"
    else
        echo "NOT OK - $1: expected '$2', got '$3'"
        failed=1
    fi
}

# works NAME COMMAND...
works() {
    name=$1
    shift
    "$@" >$said 2>&1
    code=$?
    is "$name" 0 $code
    [ $code = 0 ] || cat $said
}

# refused NAME WORDS COMMAND...
refused() {
    name=$1 words=$2
    shift 2
    if "$@" >$said 2>&1; then
        echo "NOT OK - $name: it is not refused"
        failed=1
    elif grep -q "$words" $said; then
        echo "ok - $name"
    else
        echo "NOT OK - $name: no '$words' in $(cat $said)"
        failed=1
    fi
}
