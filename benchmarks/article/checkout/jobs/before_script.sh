# Before each job. As GitLab's runner does it, a command that fails ends the job.
set -eo pipefail
oc login --token="$OKD_TOKEN" --insecure-skip-tls-verify=true "$OKD_URL"
oc project "$PROJECT"
