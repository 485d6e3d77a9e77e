//go:build !linux

package main

import (
	"context"
	"errors"
)

func measureAmazon(context.Context, string, string, int) (amazonTimes, error) {
	return amazonTimes{}, errors.New("the stand-in for Amazon needs Linux")
}
