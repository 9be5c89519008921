// Package parallel does several things at the same time.
package parallel

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Do does all of it at the same time, and waits for all of it. The error is the first in the order of the list,
// not of time. A panic goes on in the caller, once all the others are over.
func Do(all ...func() error) error {
	failed, fell := make([]error, len(all)), make([]any, len(all))
	var open sync.WaitGroup
	for i, do := range all {
		open.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					fell[i] = fmt.Sprintf("%v\n%s", p, debug.Stack())
				}
			}()
			failed[i] = do()
		})
	}
	open.Wait()
	for _, p := range fell {
		if p != nil {
			panic(p)
		}
	}
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
