// The program around check.go: main VECTORS KNOWN
package main

import (
	"os"

	"github.com/twstrike/otr3"
)

func main() { os.Exit(otr3.CheckVectors(os.Args[1], os.Args[2])) }
