#!/bin/sh
# Run a command as a user who may nothing: `ordinary_user.sh FOLDER UID PYTHON_PREFIX SITE_PACKAGES PROJECT COMMAND…`.
# In a mount namespace of its own, so that the account and the copies of paths that only root may read
# end with it. COMMAND finds the interpreter as $PYTHON and the project as $PROJECT.
set -eu
folder=$1 uid=$2 prefix=$3 site=$4 project=$5
shift 5
mount --make-rprivate /
mkdir -p "$folder/python" "$folder/site" "$folder/project" "$folder/home"
chown "$uid" "$folder/home"
mount --bind "$prefix" "$folder/python"
mount --bind "$site" "$folder/site"
mount --bind "$project" "$folder/project"
{ cat /etc/passwd; echo "certifier:x:$uid:$uid::$folder/home:/bin/sh"; } >"$folder/passwd"
chmod 644 "$folder/passwd"
mount --bind "$folder/passwd" /etc/passwd
export HOME="$folder/home" PROJECT="$folder/project" PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH="$folder/project:$folder/site" LD_LIBRARY_PATH="$folder/python/lib"
PYTHON="$folder/python/bin/$(basename "$(readlink -f "$prefix/bin/python3")")"
export PYTHON
cd /
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
