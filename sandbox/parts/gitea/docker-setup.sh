#!/usr/bin/env bash
# What the rootless image does before every start: home, custom and temporary directory, and an app.ini if there is none.
set -euo pipefail

# ensure NAME DIRECTORY MODE
ensure() {
  mkdir -p "$2" 2>/dev/null || true
  chmod "$3" "$2" 2>/dev/null || true
  if [[ ! -w $2 ]]; then
    printf '%s (%s) is not writable\n' "$1" "$2" >&2
    exit 1
  fi
}

# Official binaries carry these files inside; this one looks for them in its work directory.
link_static_files() {
  local name
  for name in options public templates; do
    if [[ ! -e $GITEA_WORK_DIR/$name ]]; then ln -sfn "/usr/share/gitea/$name" "$GITEA_WORK_DIR/$name"; fi
  done
}

write_app_ini() {
  if [[ ! -f $GITEA_APP_INI ]]; then
    mkdir -p "$(dirname "$GITEA_APP_INI")"
    envsubst <"${GITEA_TEMPLATE:-/etc/templates/app.ini}" >"$GITEA_APP_INI"
  fi
  # The official image also takes settings from FORGEJO__section__KEY; nothing to write back when there are none.
  local name
  while IFS='=' read -r name _; do
    if [[ $name == FORGEJO__* ]]; then export "GITEA__${name#FORGEJO__}=${!name}"; fi
  done < <(env)
  if env | grep -q '^GITEA__'; then
    /app/gitea/gitea config edit-ini --config "$GITEA_APP_INI" --apply-env --in-place
  fi
}

ensure HOME "$HOME" 0700
ensure GITEA_CUSTOM "$GITEA_CUSTOM" 0700
ensure GITEA_TEMP "$GITEA_TEMP" 0700
link_static_files
write_app_ini
