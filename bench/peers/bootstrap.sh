#!/bin/sh
# The function that every subject runs, as a program that asks the Lambda Runtime API for its work.
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
calls=0
headers=$(mktemp)
while true; do
  event=$(curl -sS -D "$headers" "$api/next")
  id=$(sed -n 's/^lambda-runtime-aws-request-id: *\([0-9a-f-]*\).*/\1/Ip' "$headers")
  name=$(printf '%s' "$event" | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')
  calls=$((calls + 1))
  curl -sS -o /dev/null -d "{\"hello\":\"${name:-world}\",\"calls\":$calls}" "$api/$id/response"
done
