. jobs/before_script.sh
export HOSTNAME=`oc get route $ROUTE_NAME -o jsonpath={.spec.host}`
export APP_NAME=${ROUTE_NAME}
if [[ "$SUBPATH" != "" ]]; then
  export SUBPATH_TO_PASS="path: $SUBPATH";
else
  export SUBPATH_TO_PASS="";
fi
envsubst < route.yaml.template > "$HOME/route.yaml"
oc apply -f "$HOME/route.yaml"
if [[ "$SUBPATH_TO_PASS" == "" ]]; then
  oc delete route/${ROUTE_NAME} || true;
fi
