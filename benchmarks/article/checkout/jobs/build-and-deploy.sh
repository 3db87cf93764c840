. jobs/before_script.sh
helm upgrade -i maintenance-page ./maintenance-page-helm --namespace "$PROJECT" --set imageTag="$IMAGE_TAG"
if [[ ! -z $BUILD_MAINTENANCE_PAGE ]]; then
  oc start-build maintenance-page --from-dir=docker --follow
  oc tag "maintenance-page:$IMAGE_TAG" maintenance-page:latest
  oc rollout status -w deployment/maintenance-page
fi
