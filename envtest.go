package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"apichain/internal/envtest"
	"apichain/internal/kubectl"
	"apichain/internal/standin"
)

// etcdCommand is the program under the name etcd. It ends with the process that has started it, as
// kube-apiserver does.
func etcdCommand(args []string, stdout, stderr io.Writer) int {
	ctx, cancel := untilSignal()
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if os.Getenv(parentVariable) != "ignore" {
		defer followParent(func() { stop(errors.New(parentEnded{}.String())) })()
	}
	return standin.Main(ctx, args, stdout, stderr)
}

// kubectlCommand is the program under the name kubectl.
func kubectlCommand(args []string, stdout, stderr io.Writer) int {
	ctx, cancel := untilSignal()
	defer cancel()
	return kubectl.Main(ctx, kubernetesVersion, args, os.Getenv, stdout, stderr)
}

// envtestCommand is the subcommand envtest, the one that asks no running program. It makes copies of the
// file that is running.
func envtestCommand(args []string, stdout, stderr io.Writer) int {
	path, err := os.Executable()
	if err != nil {
		fmt.Fprintln(stderr, "apichain: envtest:", err)
		return exitFailed
	}
	return envtest.Main(envtest.Program{Path: path, Version: programVersion, Kubernetes: kubernetesVersion}, args, stdout, stderr)
}
