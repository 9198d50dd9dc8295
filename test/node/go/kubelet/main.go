// One binary that holds what a node of Kubernetes runs beside its container runtime, chosen by the first argument (or
// by the name it is called under). It is apart from the control plane's, which most tests need without it.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var programs = map[string]func() *cobra.Command{
	"kubelet":    func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy": proxy.NewProxyCommand,
}

func main() {
	name := filepath.Base(os.Args[0])
	if len(os.Args) > 1 {
		if _, known := programs[os.Args[1]]; known {
			os.Args = os.Args[1:]
			name = os.Args[0]
		}
	}
	program, known := programs[name]
	if !known {
		fmt.Fprintln(os.Stderr, "usage: kubelet kubelet|kube-proxy [arguments]")
		os.Exit(2)
	}
	os.Exit(cli.Run(program()))
}
