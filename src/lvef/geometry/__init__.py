"""Pure functions from masks and curves to contours, volumes, beats and EF."""
