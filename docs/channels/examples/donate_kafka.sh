#!/usr/bin/env bash
# Publishes one donation with kcat.
#   KAFKA_*, SHANLIU_TOPIC: what `shanliu channel-access` has shown
#   usage: donate_kafka.sh TRANSACTION_ID CAMPAIGN_ID AMOUNT_FEN OCCURRED_AT
set -euo pipefail

transaction_id=$1 campaign_id=$2 amount_fen=$3 occurred_at=$4

# In a file that only you can read: a password on a command line is seen by everybody on the machine.
umask 077
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
cat >"$settings" <<END
bootstrap.servers=$KAFKA_BOOTSTRAP_SERVERS
security.protocol=$KAFKA_SECURITY_PROTOCOL
sasl.mechanism=$KAFKA_SASL_MECHANISM
sasl.username=$KAFKA_SASL_USERNAME
sasl.password=$KAFKA_SASL_PASSWORD
acks=all
enable.idempotence=true
message.timeout.ms=30000
END

# One line is one record; its key is the transaction_id. occurred_at: when the donor paid, as 2027-01-01T20:15:00+08:00;
# the same when it is sent again.
printf '{"transaction_id":"%s","campaign_id":"%s","amount_fen":%d,"currency":"CNY","occurred_at":"%s","donor":{"kind":"company","display":"name","name":"苏州示例有限公司"}}\n' \
    "$transaction_id" "$campaign_id" "$amount_fen" "$occurred_at" |
    kcat -F "$settings" -P -t "$SHANLIU_TOPIC" -k "$transaction_id"
echo "published $transaction_id"
