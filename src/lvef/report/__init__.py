"""A measurement for people: one drawing of curve and contour, shown as HTML, PDF, PNG and video."""
