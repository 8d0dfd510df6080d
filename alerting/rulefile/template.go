package rulefile

import (
	"context"
	"net/url"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/template"
)

// TemplateHead declares the variables that templates use without declaring them: Prometheus's own, and $line, the last line that a log
// rule has matched.
const TemplateHead = `{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}{{$line := .Line}}`

// TemplateData is what the template of a label or an annotation can use.
type TemplateData struct {
	Labels         map[string]string
	ExternalLabels map[string]string
	ExternalURL    string
	Value          float64
	// Line is empty for metric rules.
	Line string
}

// CheckTemplate returns the error of a template that does not parse.
func CheckTemplate(alert, text string) error {
	return template.NewTemplateExpander(context.Background(), TemplateHead+text, "__alert_"+alert, TemplateData{}, model.Time(0),
		nil, &url.URL{}, nil).ParseTest()
}
