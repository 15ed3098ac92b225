#!/usr/bin/env bash
# Reports one donation over HTTP with curl, signed with openssl.
#   SHANLIU_URL, SHANLIU_CHANNEL, SHANLIU_SECRET: from the registration
#   usage: donate.sh TRANSACTION_ID CAMPAIGN_ID AMOUNT_FEN OCCURRED_AT
set -euo pipefail

transaction_id=$1 campaign_id=$2 amount_fen=$3 occurred_at=$4

# occurred_at: when the donor paid, as 2027-01-01T20:15:00+08:00. The same arguments make the same body, byte for byte:
# run it again with the same when it ended otherwise than with 202.
body=$(printf '{"transaction_id":"%s","campaign_id":"%s","amount_fen":%d,"currency":"CNY","occurred_at":"%s","donor":{"kind":"person","display":"alias","name":"王小明","alias":"爱心人士"}}' \
    "$transaction_id" "$campaign_id" "$amount_fen" "$occurred_at")

# The key is what stands behind whsec_, base64-decoded.
key=$(printf %s "${SHANLIU_SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
id=msg_$transaction_id
now=$(date +%s)
signature=$(printf %s "$id.$now.$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)

curl --silent --show-error --fail-with-body --write-out '\n' --max-time 10 \
    --retry 5 --retry-max-time 60 \
    -H 'Content-Type: application/json' \
    -H "webhook-id: $id" -H "webhook-timestamp: $now" -H "webhook-signature: v1,$signature" \
    --data-binary "$body" \
    "$SHANLIU_URL/v1/channels/$SHANLIU_CHANNEL/donations"
