package testkit

import (
	"fmt"
	"html"
	"image/color"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"
)

// paper is what a picture is drawn on.
type paper struct{ back, fore, bar, edge string }

// The measures of a picture, in its own units. The advance is that of the usual monospace fonts;
// textLength corrects those that differ.
const (
	fontSize = 14.0
	advance  = 8.43
	leading  = 18.0
	inset    = 16.0
	titleBar = 30.0
	fonts    = "DejaVu Sans Mono, ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
)

var (
	dark   = paper{back: "#16171f", fore: "#d9dbe3", bar: "#1f212c", edge: "#2c2f3d"}
	bright = paper{back: "#ffffff", fore: "#22242c", bar: "#eef0f4", edge: "#d5d8e0"}
)

// picture draws what the terminal shows: rectangles for backgrounds, one text element a word, so
// that a font of another width cannot shift the columns.
func picture(emu *vt.Emulator, p paper) string {
	return window(emu.Width(), emu.Height(), p, strings.Join(rowsOf(emu, p), ""))
}

// rowsOf draws the lines of the terminal.
func rowsOf(emu *vt.Emulator, p paper) (rows []string) {
	for y := range emu.Height() {
		var b strings.Builder
		row(&b, emu, y, emu.Width(), p)
		rows = append(rows, b.String())
	}
	return rows
}

// window draws the frame around what a terminal of w by h cells shows.
func window(w, h int, p paper, content string) string {
	width, height := 2*inset+advance*float64(w), titleBar+2*inset+leading*float64(h)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="%s" font-size="%.0f">`+"\n",
		width, height, width, height, fonts, fontSize)
	fmt.Fprintf(&b, `<rect x="0.5" y="0.5" width="%.0f" height="%.0f" rx="9" fill="%s" stroke="%s"/>`+"\n", width-1, height-1, p.back, p.edge)
	fmt.Fprintf(&b, `<path d="M0.5 %.1fV9.5a9 9 0 0 1 9-9H%.1fa9 9 0 0 1 9 9V%.1fz" fill="%s"/>`+"\n", titleBar, width-9.5, titleBar, p.bar)
	for i, c := range []string{"#ec6a5e", "#f4bf4f", "#61c554"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="%.0f" r="5.5" fill="%s"/>`, 20+i*19, titleBar/2, c)
	}
	b.WriteString("\n")
	b.WriteString(content + "</svg>\n")
	return b.String()
}

// row draws one line of the terminal.
func row(b *strings.Builder, emu *vt.Emulator, y, w int, p paper) {
	top := titleBar + inset + leading*float64(y)
	for x := 0; x < w; {
		c := emu.CellAt(x, y)
		if c == nil || c.Width == 0 {
			x++
			continue
		}
		word, end := c.Content, x+c.Width
		for !blank(c) && end < w && c.Width == 1 {
			next := emu.CellAt(end, y)
			if next == nil || blank(next) || next.Width != 1 || !next.Style.Equal(&c.Style) {
				break
			}
			word += next.Content
			end++
		}
		left, cells := inset+advance*float64(x), float64(end-x)
		fore, back := colours(c.Style, p)
		if back != p.back {
			fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.0f" fill="%s" shape-rendering="crispEdges"/>`+"\n", left, top, advance*cells, leading, back)
		}
		switch {
		case blank(c) && c.Style.Underline != uv.UnderlineNone:
			fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="1" fill="%s"/>`+"\n", left, top+leading*0.74+1.2, advance*cells, fore)
		case blank(c):
		case strings.Trim(word, "│") == "": // joined from line to line, which a font would not do
			fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="1" height="%.0f" fill="%s"/>`+"\n", left+advance/2, top, leading, fore)
		case strings.Trim(word, "─") == "":
			fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="1" fill="%s"/>`+"\n", left, top+leading/2, advance*cells, fore)
		case strings.Trim(word, "━") == "":
			fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="4" fill="%s"/>`+"\n", left, top+leading/2-1.5, advance*cells, fore)
		default:
			fmt.Fprintf(b, `<text x="%.2f" y="%.2f" fill="%s"%s textLength="%.2f">%s</text>`+"\n",
				left, top+leading*0.74, fore, attributes(c.Style), advance*cells, html.EscapeString(word))
		}
		x = end
	}
}

func blank(c *uv.Cell) bool { return strings.TrimSpace(c.Content) == "" }

// colours are the colours of a cell; the paper's own where the program chose none.
func colours(s uv.Style, p paper) (fore, back string) {
	fore, back = p.fore, p.back
	if s.Fg != nil {
		fore = rgb(s.Fg)
	}
	if s.Bg != nil {
		back = rgb(s.Bg)
	}
	if s.Attrs&uv.AttrReverse != 0 {
		fore, back = back, fore
	}
	return fore, back
}

func rgb(c color.Color) string {
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

func attributes(s uv.Style) string {
	out := ""
	if s.Attrs&uv.AttrBold != 0 {
		out += ` font-weight="bold"`
	}
	if s.Attrs&uv.AttrItalic != 0 {
		out += ` font-style="italic"`
	}
	if s.Attrs&uv.AttrFaint != 0 {
		out += ` fill-opacity="0.6"`
	}
	switch {
	case s.Underline != uv.UnderlineNone:
		out += ` text-decoration="underline"`
	case s.Attrs&uv.AttrStrikethrough != 0:
		out += ` text-decoration="line-through"`
	}
	return out
}
