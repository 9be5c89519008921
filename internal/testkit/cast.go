package testkit

import (
	"fmt"
	"strings"
)

// Cast is a recording of a screen: what could be seen, and for how long. It plays wherever an SVG does.
type Cast struct {
	cols, rows int
	frames     []frame
	whole      float64
}

type frame struct {
	rows    []string
	seconds float64
}

// Record adds what can be seen now, for so many seconds.
func (c *Cast) Record(s *Screen, seconds float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.cols, c.rows = s.emu.Width(), s.emu.Height()
	c.frames = append(c.frames, frame{rowsOf(s.emu, dark), seconds})
	c.whole += seconds
}

// SVG draws all frames one after the other, over and over; where nothing moves, the first. A line that
// several frames show is drawn once.
func (c *Cast) SVG() string {
	var lines, frames strings.Builder
	ids := map[string]int{}
	begin := 0.0
	for i, f := range c.frames {
		shown := "none"
		if i == 0 {
			shown = "inline"
		}
		end := begin + f.seconds
		fmt.Fprintf(&frames, `<g display="%s"><animate attributeName="display" calcMode="discrete" dur="%gs" repeatCount="indefinite" values="none;inline;none" keyTimes="0;%.4f;%.4f"/>`,
			shown, c.whole, begin/c.whole, end/c.whole)
		begin = end
		for _, r := range f.rows {
			if r == "" {
				continue
			}
			id, known := ids[r]
			if !known {
				id = len(ids)
				ids[r] = id
				fmt.Fprintf(&lines, "<g id=\"l%d\">%s</g>\n", id, r)
			}
			fmt.Fprintf(&frames, `<use href="#l%d"/>`, id)
		}
		frames.WriteString("</g>\n")
	}
	return window(c.cols, c.rows, dark, "<defs>\n"+lines.String()+"</defs>\n"+frames.String())
}
