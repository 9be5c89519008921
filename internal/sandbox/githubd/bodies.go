package githubd

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// stamp is the made-up time at which the default data came into being.
var stamp = time.Date(2024, 1, 15, 9, 0, 0, 0, time.UTC)

func nodeID(kind string, id int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%d", kind, id))
}

// urls makes the addresses that a body of GitHub's must hold.
func urls(base string, keys ...string) map[string]any {
	out := map[string]any{}
	for _, k := range keys {
		out[k] = base + "/" + strings.TrimSuffix(k, "_url")
	}
	return out
}

// account is a simple-user of GitHub's description.
func account(host, login, kind string) map[string]any {
	out := urls("http://"+host+"/users/"+login, "avatar_url", "events_url", "followers_url", "following_url", "gists_url", "html_url",
		"organizations_url", "received_events_url", "repos_url", "starred_url", "subscriptions_url", "url")
	out["login"], out["id"], out["node_id"], out["gravatar_id"], out["type"], out["site_admin"] = login, 1, nodeID("U", 1), "", kind, false
	return out
}

// minimal is a minimal-repository of GitHub's description.
func (x *repo) minimal(host string) map[string]any {
	full := x.Owner + "/" + x.Name
	out := urls("http://"+host+"/repos/"+full,
		"archive_url", "assignees_url", "blobs_url", "branches_url", "collaborators_url", "comments_url", "commits_url", "compare_url", "contents_url",
		"contributors_url", "deployments_url", "downloads_url", "events_url", "forks_url", "git_commits_url", "git_refs_url", "git_tags_url", "hooks_url",
		"html_url", "issue_comment_url", "issue_events_url", "issues_url", "keys_url", "labels_url", "languages_url", "merges_url", "milestones_url",
		"notifications_url", "pulls_url", "releases_url", "stargazers_url", "statuses_url", "subscribers_url", "subscription_url", "tags_url", "teams_url",
		"trees_url", "url", "clone_url", "git_url", "ssh_url", "svn_url")
	out["id"], out["node_id"], out["name"], out["full_name"] = x.ID, nodeID("R", x.ID), x.Name, full
	out["owner"] = account(host, x.Owner, "Organization")
	out["private"], out["archived"], out["fork"], out["disabled"] = x.Private, x.Archived, false, false
	out["description"] = nil
	return out
}

// repoBody is a full-repository of GitHub's description.
func (s *Server) repoBody(x *repo, host string) map[string]any {
	out := x.minimal(host)
	for _, k := range []string{"forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count", "watchers", "watchers_count", "network_count", "subscribers_count"} {
		out[k] = 0
	}
	for _, k := range []string{"has_issues", "has_downloads", "has_projects", "has_wiki", "has_pages", "has_discussions"} {
		out[k] = false
	}
	for _, k := range []string{"homepage", "language", "license", "mirror_url"} {
		out[k] = nil
	}
	for _, k := range []string{"pushed_at", "created_at", "updated_at"} {
		out[k] = stamp.Format(time.RFC3339)
	}
	out["default_branch"] = s.Trunk()
	out["permissions"] = map[string]any{
		"admin": x.Permission == "admin", "push": x.Permission != "pull", "pull": true,
	}
	return out
}

func (e *envir) body(x *repo) map[string]any {
	base := fmt.Sprintf("http://localhost/repos/%s/%s/environments", x.Owner, x.Name)
	rules := []any{}
	if e.Reviewers > 0 {
		reviewers := make([]any, 0, e.Reviewers)
		for range e.Reviewers {
			reviewers = append(reviewers, map[string]any{"type": "User", "reviewer": account("localhost", "grace", "User")})
		}
		rules = append(rules, map[string]any{
			"id": e.ID, "node_id": nodeID("P", e.ID), "type": "required_reviewers", "prevent_self_review": false, "reviewers": reviewers,
		})
	}
	out := map[string]any{
		"id": e.ID, "node_id": nodeID("E", e.ID), "name": e.Name, "url": base, "html_url": base,
		"created_at": e.CreatedAt.Format(time.RFC3339), "updated_at": e.CreatedAt.Format(time.RFC3339), "deployment_branch_policy": nil,
	}
	if e.Admits != nil {
		rules = append(rules, map[string]any{"id": e.ID + 1, "node_id": nodeID("B", e.ID), "type": "branch_policy"})
		out["deployment_branch_policy"] = map[string]any{"protected_branches": e.Admits.Protected, "custom_branch_policies": !e.Admits.Protected}
	}
	out["protection_rules"] = rules
	return out
}

func (x *sealed) body(r *http.Request, org bool) map[string]any {
	out := map[string]any{"name": x.Name, "created_at": x.CreatedAt.Format(time.RFC3339), "updated_at": x.UpdatedAt.Format(time.RFC3339)}
	if org {
		out["visibility"] = x.Visibility
		if x.Visibility == "selected" {
			out["selected_repositories_url"] = "http://" + r.Host + r.URL.Path + "/repositories"
		}
	}
	return out
}
