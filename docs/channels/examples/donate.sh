#!/usr/bin/env bash
# Reports one donation over HTTP with curl, signed with openssl.
#   SHANLIU_URL, SHANLIU_CHANNEL, SHANLIU_SECRET: from the registration
#   usage: donate.sh TRANSACTION_ID CAMPAIGN_ID AMOUNT_FEN
set -euo pipefail

transaction_id=$1 campaign_id=$2 amount_fen=$3

# occurred_at: when the donor paid. Send the same body, byte for byte, when you send it again.
body=$(printf '{"transaction_id":"%s","campaign_id":"%s","amount_fen":%d,"currency":"CNY","occurred_at":"%s","donor":{"kind":"person","display":"alias","name":"王小明","alias":"爱心人士"}}' \
    "$transaction_id" "$campaign_id" "$amount_fen" "$(date -u +%Y-%m-%dT%H:%M:%SZ)")

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
