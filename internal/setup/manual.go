package setup

// Manual is how a person does one part of a setup without astro-ci. It holds no secret.
type Manual struct {
	Who   string // the role or right that it takes, on exactly what: "the role Maintainer in acme/etl"
	Link  string // https address of the page; "" where it is not known
	Click string // what to do on that page
	// Command does the same, as lines of sh; "" where there is none. A value is asked for or comes by
	// standard input; no command has one among its arguments.
	Command string
	Note    string // what to know first; may be empty
}
