package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/internal/inventory"
)

// Calendar writes the days on which tokens are due and end as a calendar (RFC 5545), with a reminder
// ahead of each. The identifier of an entry is made of the token's id, so that a calendar that is read again
// changes its entries and does not double them. Tokens that have ended, or never do, have none; the day
// of being due is that of tokens that astro-ci can replace.
func Calendar(to io.Writer, v inventory.Inventory) error {
	c := &calendar{w: bufio.NewWriter(to), at: v.At}
	c.line("BEGIN:VCALENDAR")
	c.line("VERSION:2.0")
	c.line("PRODID:-//astro-ci//status//EN")
	c.line("CALSCALE:GREGORIAN")
	for _, i := range v.Items {
		t := i.Token
		if t == nil || t.EndAt.IsZero() || t.Expired(v.At) {
			continue
		}
		name, remedy := t.Name.String(), "Whoever uses it needs a new one before."
		if i.Setup != "" {
			name, remedy = i.Setup, "Replace it before: astro-ci rotate "+i.Setup
		}
		about := append([]string{remedy, "Token " + t.ID + ", " + i.On + ", " + t.On().Role}, i.Targets...)
		if i.Pipeline != "" {
			about = append(about, i.Pipeline)
		}
		if i.Setup != "" {
			c.event(t.ID+"-due", i.DueAt, "P1D", name+": the API token of Astro is due", about)
		}
		c.event(t.ID+"-ends", t.EndAt, "P7D", name+": the API token of Astro ends", about)
	}
	if c.events == 0 { // a calendar without any component is none
		for _, l := range []string{"BEGIN:VTIMEZONE", "TZID:UTC", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0000", "TZOFFSETTO:+0000", "END:STANDARD", "END:VTIMEZONE"} {
			c.line(l)
		}
	}
	c.line("END:VCALENDAR")
	return c.w.Flush()
}

type calendar struct {
	w      *bufio.Writer // it keeps the first error
	at     time.Time
	events int
}

// event is one whole day, and a reminder so long before the day begins.
func (c *calendar) event(id string, day time.Time, ahead, summary string, about []string) {
	c.events++
	day = day.Local()
	c.line("BEGIN:VEVENT")
	c.line("UID:" + escaped(id) + "@astro-ci")
	c.line("DTSTAMP:" + c.at.UTC().Format("20060102T150405Z"))
	c.line("DTSTART;VALUE=DATE:" + day.Format("20060102"))
	c.line("DTEND;VALUE=DATE:" + day.AddDate(0, 0, 1).Format("20060102"))
	c.line("SUMMARY:" + escaped(summary))
	c.line("DESCRIPTION:" + escaped(strings.Join(about, "\n")))
	c.line("TRANSP:TRANSPARENT")
	c.line("BEGIN:VALARM")
	c.line("ACTION:DISPLAY")
	c.line("DESCRIPTION:" + escaped(summary))
	c.line("TRIGGER:-" + ahead)
	c.line("END:VALARM")
	c.line("END:VEVENT")
}

// line writes a line, folded so that none has more than 75 octets and no rune is cut.
func (c *calendar) line(text string) {
	room := 75
	for len(text) > room {
		n := room
		for !utf8.RuneStart(text[n]) {
			n--
		}
		_, _ = fmt.Fprintf(c.w, "%s\r\n ", text[:n])
		text, room = text[n:], 74
	}
	_, _ = fmt.Fprintf(c.w, "%s\r\n", text)
}

// escaped is a TEXT value.
func escaped(s string) string {
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`).Replace(s)
}
