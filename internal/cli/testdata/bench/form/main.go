// Command form is one question of huh and nothing else.
package main

import (
	"fmt"

	"charm.land/huh/v2"
)

func main() {
	var answer string
	form := huh.NewForm(huh.NewGroup(huh.NewSelect[string]().Title("bare form").Options(huh.NewOptions("one", "two", "three")...).Value(&answer)))
	fmt.Println(form.Run(), answer)
}
