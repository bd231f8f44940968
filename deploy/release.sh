#!/usr/bin/env bash
# Ingest the catalogue, then deploy the API with the new snapshot. If a step fails, the live revision stays live.
#
# PROJECT=... REGION=... TAG=... deploy/release.sh    TAG is the tag of the two images. Needs gcloud.
set -euo pipefail
cd "$(dirname "$0")"
: "${PROJECT:?}" "${REGION:?}" "${TAG:?}"
filled=$(mktemp -d)
trap 'rm -rf "$filled"' EXIT
gcloud() { command gcloud --quiet --project "$PROJECT" "$@" --region "$REGION"; }
fill() { # FILE [SNAPSHOT]
  sed -e "s|PROJECT|$PROJECT|g" -e "s|REGION|$REGION|g" -e "s|TAG|$TAG|g" \
    -e "s|SNAPSHOT_NAME|${2:-}|g" "$1" >"$filled/$1"
}

fill cloudrun-ingest-job.yaml
gcloud run jobs replace "$filled/cloudrun-ingest-job.yaml"
execution=$(gcloud run jobs execute vidsearch-ingest --wait --format 'value(metadata.name)')
fill cloudrun.yaml "$execution.snapshot"
gcloud run services replace "$filled/cloudrun.yaml"
