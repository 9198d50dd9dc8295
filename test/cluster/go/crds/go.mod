// The modules that ship the CRDs of the optional APIs which the DecoratorControllers make objects of. Nothing of them is
// compiled: test/cluster/build.ts reads their YAML.
module operator-hooks.example.com/test/cluster/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/external-secrets/external-secrets v0.16.2
	github.com/kedacore/keda/v2 v2.21.0
	github.com/kubernetes-csi/external-snapshotter/client/v8 v8.7.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	github.com/vmware-tanzu/velero v1.18.3
	istio.io/api v1.32.0
	sigs.k8s.io/gateway-api v1.6.3
)
