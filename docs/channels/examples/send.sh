#!/usr/bin/env bash
# The partner API with curl, signed with openssl.
#   SHANLIU_URL, SHANLIU_CHANNEL, SHANLIU_SECRET: from the registration
#   usage: send.sh donations        < donation.json    one donation
#          send.sh donations/batch  < batch.json       {"donations": [...]}, at most 1,000
#          send.sh reversals        < reversal.json    a refund or a chargeback
#          send.sh status TRANSACTION_ID               where a donation stands
set -euo pipefail

# The key is what stands behind whsec_, base64-decoded.
key=$(printf %s "${SHANLIU_SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
url=$SHANLIU_URL/v1/channels/$SHANLIU_CHANNEL

body=$(mktemp)
trap 'rm -f "$body"' EXIT
if [ "$1" = status ]; then
    address=$url/donations/$2 # signed over an empty body
    send=()
else
    cat > "$body"
    address=$url/$1
    send=(--data-binary "@$body" -H 'Content-Type: application/json')
fi

# The id is the content's: the same body sent again is the same message.
id=msg_$(openssl dgst -sha256 -r < "$body" | cut -c1-32)

for pause_s in 1 2 4 8 16 30 0; do
    now=$(date +%s) # each try is signed anew: a signature is good for five minutes
    signature=$({ printf %s "$id.$now."; cat "$body"; } |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
    answer=$(curl --silent --max-time 30 --write-out '\n%{http_code}' "${send[@]}" \
        -H "webhook-id: $id" -H "webhook-timestamp: $now" -H "webhook-signature: v1,$signature" \
        "$address") || answer=$'\n000'
    case ${answer##*$'\n'} in
        2??) printf '%s\n' "${answer%$'\n'*}"; exit 0 ;;
        429 | 5?? | 000) sleep "$pause_s" ;; # in doubt: the same again
        *) printf '%s\n' "${answer%$'\n'*}" >&2; exit 1 ;; # wrong: mend it
    esac
done
echo "not confirmed: keep it, and send the same later" >&2
exit 2
