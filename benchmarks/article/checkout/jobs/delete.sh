. jobs/before_script.sh
if [[ "$SUBPATH" == "" ]]; then
  oc process -f "${GOOD_ROUTE_TEMPLATE}" | oc apply -f -;
fi
oc delete route/$ROUTE_NAME-maintenance-page;
if [[ ! $(oc get route | grep maintenance-page 2> /dev/null) ]]; then
  helm del maintenance-page
fi
