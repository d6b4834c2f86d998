# Sourced by run and test: the Debian packages they need, and how they get there.

say() { printf '== %s\n' "$*" >&2; }
stop() { printf '%s\n' "$*" >&2; exit 1; }

# install_missing <yes|ask> <run|test>…  – installs what .ci/packages lists for these and is not there.
install_missing() {
  local consent=$1 wanted missing install
  shift
  [ -r /etc/debian_version ] && command -v apt-get >/dev/null ||
    stop "Packages are installed by apt-get on Debian 12 only. Elsewhere, install what .ci/packages
lists in your system's way and build with: cmake --preset release && ninja -C build/release tidemark"
  wanted=$(awk -v kinds=" $* " 'index(kinds, " " $1 " ") {print $2}' .ci/packages)
  missing=$(comm -23 <(sort <<<"$wanted") \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
      awk '$1 == "installed" {print $2}' | sort))
  [ -n "$missing" ] || return 0
  missing=$(tr '\n' ' ' <<<"$missing")
  install="apt-get install -y --no-install-recommends $missing"
  say "missing packages: $missing"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      stop "They are installed by root. You are not root, and there is no sudo. Ask root to run:
  apt-get update && $install"
    if [ "$consent" = ask ]; then
      [ -t 0 ] || stop "Run again with -y to install them with sudo, or do it yourself:
  sudo apt-get update && sudo $install"
      read -rp "Install them with sudo? [Y/n] " answer
      case $answer in '' | [Yy]*) ;; *) stop "Nothing was installed." ;; esac
    fi
    install="sudo $install"
    sudo apt-get update -q
  else
    apt-get update -q
  fi >&2
  DEBIAN_FRONTEND=noninteractive $install >&2 || stop "apt-get failed; its own words are above."
}
