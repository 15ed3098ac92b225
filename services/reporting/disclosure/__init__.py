"""Reports as the public sees them: their list, a page of each, as a spreadsheet and on paper."""
