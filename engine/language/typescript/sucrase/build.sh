#!/bin/sh
# Makes bundle.js from translate.js and sucrase, the same to the byte each time. Needs npm; run it in this folder.
set -eu
SUCRASE=sucrase@3.35.1
SHA256=fa555afbe97fb4f4866084a8838cb66ff520aa1adcd211269b2708afda4bc9bf
ESBUILD=esbuild@0.25.12

here=$(pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
mkdir -p "$room/node_modules/sucrase"
cd "$room"
npm pack --silent "$SUCRASE" > name
echo "$SHA256  $(cat name)" | sha256sum --check --quiet
tar -xzf "$(cat name)" -C node_modules/sucrase --strip-components 1
cp "$here/translate.js" "$here/attempts.js" .
cp node_modules/sucrase/LICENSE "$here/LICENSE"
npx --yes "$ESBUILD" translate.js --bundle --minify --format=iife --global-name=sucrase --target=es2022 \
  --inject:./attempts.js --charset=utf8 --banner:js="// $SUCRASE (MIT, see LICENSE) and translate.js; made by build.sh, not by hand" \
  --outfile="$here/bundle.js" --log-level=warning
