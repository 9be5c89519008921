// Command line prints one line: the least that a program can do.
package main

import "fmt"

func main() { fmt.Println("hello") }
