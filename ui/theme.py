"""Gradio's theme variables, set to the tokens of theme.css. Dark needs no second set: the tokens change."""

import gradio as gr

# theme variable -> token; Gradio derives every control from these
TOKENS = {
    "body_text_color_subdued": "--ink-3",
    "background_fill_primary": "--surface",
    "background_fill_secondary": "--sunken",
    "block_background_fill": "--surface",
    "block_border_color": "--line",
    "block_info_text_color": "--ink-3",
    "block_label_background_fill": "--surface",
    "block_label_text_color": "--ink",
    "block_title_text_color": "--ink",
    "border_color_accent": "--accent",
    "border_color_accent_subdued": "--line",
    "border_color_primary": "--line",
    "button_primary_background_fill": "--accent",
    "button_primary_background_fill_hover": "--accent-hover",
    "button_primary_border_color": "--accent",
    "button_primary_text_color": "--on-accent",
    "button_primary_text_color_hover": "--on-accent",
    "button_secondary_background_fill": "--surface",
    "button_secondary_background_fill_hover": "--sunken",
    "button_secondary_border_color": "--line-strong",
    "button_secondary_text_color": "--ink",
    "checkbox_background_color": "--surface",
    "checkbox_background_color_selected": "--accent",
    "checkbox_border_color": "--line-strong",
    "checkbox_border_color_focus": "--accent",
    "checkbox_border_color_hover": "--accent",
    "checkbox_border_color_selected": "--accent",
    "checkbox_label_background_fill": "--surface",
    "checkbox_label_background_fill_hover": "--sunken",
    "checkbox_label_background_fill_selected": "--accent-soft",
    "checkbox_label_border_color": "--line-strong",
    "checkbox_label_text_color": "--ink",
    "checkbox_label_text_color_selected": "--ink",
    "code_background_fill": "--sunken",
    "color_accent": "--accent",
    "color_accent_soft": "--accent-soft",
    "error_background_fill": "--bad-soft",
    "error_border_color": "--bad",
    "error_text_color": "--bad",
    "input_background_fill": "--surface",
    "input_background_fill_focus": "--surface",
    "input_border_color": "--line-strong",
    "input_border_color_focus": "--accent",
    "input_border_color_hover": "--line-strong",
    "input_placeholder_color": "--ink-3",
    "link_text_color": "--accent",
    "link_text_color_active": "--accent",
    "link_text_color_hover": "--accent-hover",
    "link_text_color_visited": "--accent",
    "loader_color": "--accent",
    "panel_background_fill": "--surface",
    "panel_border_color": "--line",
    "slider_color": "--accent",
    "table_border_color": "--line",
    "table_even_background_fill": "--surface",
    "table_odd_background_fill": "--surface",
    "table_text_color": "--ink",
}
# Gradio writes these into the page before any style is there, so they are figures: light, dark
FIRST_PAINT = {
    "body_background_fill": ("#f4f5f6", "#0f1317"),
    "body_text_color": ("#171c21", "#e6eaed"),
}
SHAPES = {
    "block_border_width": "0px",
    "block_label_text_size": "13px",
    "block_label_text_weight": "500",
    "block_title_text_size": "13px",
    "block_title_text_weight": "500",
    "block_info_text_size": "12px",
    "block_padding": "0px",
    "block_radius": "6px",
    "block_shadow": "none",
    "button_border_width": "1px",
    "button_large_padding": "6px 12px",
    "button_large_radius": "4px",
    "button_large_text_size": "14px",
    "button_large_text_weight": "500",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "button_small_padding": "5px 12px",
    "button_small_radius": "4px",
    "button_small_text_size": "14px",
    "button_small_text_weight": "500",
    "checkbox_border_radius": "3px",
    "checkbox_border_width": "1.5px",
    "checkbox_label_border_width": "1px",
    "checkbox_label_padding": "5px 12px",
    "checkbox_label_text_size": "13px",
    "container_radius": "4px",
    "form_gap_width": "16px",
    "input_border_width": "1px",
    "input_padding": "5px 8px",
    "input_radius": "4px",
    "input_shadow": "none",
    "input_shadow_focus": "0 0 0 1px var(--accent)",
    "input_text_size": "13px",
    "layout_gap": "16px",
    "section_header_text_size": "14px",
    "section_header_text_weight": "600",
}


def theme() -> gr.themes.Base:
    """The base theme with our colours, sizes and system fonts. Nothing is fetched."""
    made = gr.themes.Base(
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        text_size=gr.themes.sizes.text_md,
    )
    known = set(gr.themes.Base.set.__code__.co_varnames)
    values = {name: f"var({token})" for name, token in TOKENS.items()}
    values |= {f"{name}_dark": value for name, value in values.items() if f"{name}_dark" in known}
    for name, (light, dark) in FIRST_PAINT.items():
        values |= {name: light, f"{name}_dark": dark}
    return made.set(**values, **SHAPES)
