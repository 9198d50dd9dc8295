// kube-state-metrics with the time zones, which its image usually holds: it ends with an error at the first CronJob that
// names one and is not known.
package main

import (
	"context"
	"os"
	_ "time/tzdata"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	"k8s.io/kube-state-metrics/v2/pkg/app"
	"k8s.io/kube-state-metrics/v2/pkg/options"
)

func main() {
	opts := options.NewOptions()
	command := options.InitCommand
	command.Run = func(*cobra.Command, []string) {
		if err := app.RunKubeStateMetrics(context.Background(), opts); err != nil {
			klog.ErrorS(err, "it ends")
			os.Exit(1)
		}
	}
	opts.AddFlags(command)
	if err := opts.Parse(); err != nil {
		os.Exit(1)
	}
}
