package astro

import (
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
)

// Token is an API token as Astro describes it; never its value.
type Token struct {
	ID          string       `json:"id"`
	Name        display.Text `json:"name"`
	Description display.Text `json:"description"`
	Scope       string       `json:"scope"`
	Kind        string       `json:"kind"`
	ShortToken  display.Text `json:"shortToken"`
	Roles       []TokenRole  `json:"roles"`
	StartAt     time.Time    `json:"startAt"`
	EndAt       time.Time    `json:"endAt"` // zero: never expires
	LastUsedAt  time.Time    `json:"lastUsedAt"`
	CreatedAt   time.Time    `json:"createdAt"`
}

// TokenRole is one role of a token on one thing.
type TokenRole struct {
	EntityType string `json:"entityType"` // ORGANIZATION, WORKSPACE, DEPLOYMENT, DAG, DAG_TAG
	EntityID   string `json:"entityId"`
	Role       string `json:"role"`
}
