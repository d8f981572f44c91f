#!/bin/sh
# In place of the program: ends as the name of the link says through which it is called.
case "${0##*/}" in
segv) kill -SEGV $$ ;;
killed) kill -KILL $$ ;;
deaf) exec <&- && echo '{"refused":"not listening"}' ;;
silent) exit 3 ;;
babbling) read -r _ && echo 'Segmentation of what?' && exit 0 ;;
talking) echo 'an engine greets' && echo '{"good":{"engine":"fake","sha256":"00","warmup":[]}}' ;;
meek) read -r _ && echo "{\"refused\":\"policy $(cut -d ' ' -f 41 /proc/self/stat)\"}" ;;
# Both streams without end: neither may fill the server's memory nor block the child.
flooding) yes error >&2 & exec yes '{"good":{"engine":"fake","sha256":"00","warmup":[]}}' ;;
esac
