//go:build commands

// Package commands names the programs that `make services` builds from this module.
package commands

import (
	_ "github.com/stripe/veneur/v14/cmd/veneur"
	_ "github.com/stripe/veneur/v14/cmd/veneur-proxy"
)
