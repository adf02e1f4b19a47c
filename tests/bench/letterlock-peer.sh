# Letterlock for the benchmark harness. $LETTERLOCK names the release binary. Everything sealed,
# production durability; no limit is switched off but what a load from one address would trip (none).
LETTERLOCK=${LETTERLOCK:?path of the letterlock binary}
P_SUBMIT_AUTH=1; export P_SUBMIT_AUTH
ll() { "$LETTERLOCK" --data $RUN/data "$@"; }
peer_init() {
  [ -e $RUN/data/mail.db ] && return 0
  local i
  printf '%s\n' "$B_PASSWORD" | ll setup --hostname mail.example.test --domain example.test \
    --account u1@example.test --password-stdin --yes >>$RUN/init.log 2>&1 || { tail -3 $RUN/init.log; return 1; }
  for i in $(seq 2 $B_USERS); do
    printf '%s\n' "$B_PASSWORD" | ll user add u$i@example.test --password-stdin >>$RUN/init.log 2>&1
  done
  ll config set login.cleartext 127.0.0.0/8 >>$RUN/init.log 2>&1
}
peer_start() {
  : > $P_PIDFILE
  in_cg_bg $RUN/server.log "$LETTERLOCK" --data $RUN/data serve --listen smtp=127.0.0.1:$P_SMTP \
    --listen submission=127.0.0.1:$P_SUBMIT --listen imap=127.0.0.1:$P_IMAP --listen imaps=127.0.0.1:$P_IMAPS \
    --listen pop3=127.0.0.1:$P_POP3 --listen pop3s=127.0.0.1:$P_POP3S
}
peer_stop() { local p; for p in $(cat $P_PIDFILE 2>/dev/null); do stop_pid $p; done; }
peer_disk() { du -sb --exclude='*-wal' --exclude='*-shm' $RUN/data | cut -f1; }
