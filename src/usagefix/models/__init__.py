"""What the verbs take and return: frozen values, with no behaviour except what follows from their fields. One module
a subject; a module imports what it needs, because creating all these classes takes longer than connecting."""
